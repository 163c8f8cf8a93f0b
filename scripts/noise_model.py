"""What `devtools.noise_model` does, as a command."""

from devtools.noise_model import main

if __name__ == "__main__":
    main()
