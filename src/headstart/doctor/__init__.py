"""The doctor: looks whether everything is as it must be, and changes nothing."""
