"""What `devtools.compare_with_llama_cpp` does, as a command."""

from devtools.compare_with_llama_cpp import main

if __name__ == "__main__":
    main()
