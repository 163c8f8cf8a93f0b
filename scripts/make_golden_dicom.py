"""What `devtools.make_golden_dicom` does, as a command."""

from devtools.make_golden_dicom import main

if __name__ == "__main__":
    main()
