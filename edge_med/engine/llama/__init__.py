"""Models, contexts and devices, by the bindings of llama.cpp. Nothing above opens a library."""
