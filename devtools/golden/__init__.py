"""What the golden files hold, and how tests read them."""
