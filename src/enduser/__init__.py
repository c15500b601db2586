"""One exact End User Object for every user of a web site or app."""

__version__ = "0.1.0"
