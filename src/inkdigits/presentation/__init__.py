"""Results as figures, HTML and data frames: what every kind of result needs to show itself.

Importing this package loads neither matplotlib nor pandas; the first figure or frame does.
"""
