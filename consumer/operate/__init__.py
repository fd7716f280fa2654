"""What people ask and decide on the command line, beside running workers."""
