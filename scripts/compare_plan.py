"""What `devtools.compare_plan` does, as a command."""

from devtools.compare_plan import main

if __name__ == "__main__":
    main()
