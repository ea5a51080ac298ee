"""The version. The package's metadata takes it from here: reading it from there would cost a tenth of the import."""

__version__ = "0.1.0"
