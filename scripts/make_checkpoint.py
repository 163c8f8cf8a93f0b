"""What `devtools.make_checkpoint` does, as a command."""

from devtools.make_checkpoint import main

if __name__ == "__main__":
    main()
