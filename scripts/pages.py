"""Write the lists in docs/reference/errors.md and docs/reference/commands.md out of the sources.

python -m scripts.pages
"""

from devtools.pages.written import main

if __name__ == "__main__":
    main()
