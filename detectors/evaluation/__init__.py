"""How good the detectors are on labelled data: reading it, scoring by published rules, telling the result."""
