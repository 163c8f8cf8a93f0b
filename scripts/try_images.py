"""What `devtools.try_images` does, as a command."""

import sys

from devtools.try_images import main

if __name__ == "__main__":
    sys.exit(main())
