"""From records to a plan: blocks of one schema are decoded, folded and encoded. Asks nobody anything."""
