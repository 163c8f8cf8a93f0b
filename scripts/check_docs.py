"""Build the pages as a site, strictly, and look whether they load anything from the internet.

python -m scripts.check_docs
"""

import sys

from devtools.pages.site import main

if __name__ == "__main__":
    sys.exit(main())
