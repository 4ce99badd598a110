"""Everything that runs Orgtrail somewhere: the local stack, and the first of production."""
