"""A regular package: a dependency installs one of the same name, which would hide a plain folder."""
