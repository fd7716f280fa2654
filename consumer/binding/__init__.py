"""How the records of a topic become rows of a table: schemas, names, columns, and what is made or altered for them."""
