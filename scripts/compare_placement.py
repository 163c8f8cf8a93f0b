"""What `devtools.compare_placement` does, as a command."""

from devtools.compare_placement import main

if __name__ == "__main__":
    main()
