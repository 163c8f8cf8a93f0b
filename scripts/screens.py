"""What `devtools.screens` does, as a command."""

from devtools.screens import main

if __name__ == "__main__":
    main()
