"""What `devtools.unwanted` does, as a command."""

import sys

from devtools.unwanted import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
