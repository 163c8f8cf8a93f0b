"""edge-med: MedGemma on your own machine, without the internet.

For research and education; never for diagnosis or treatment.
"""

__version__ = "0.1.0"
