"""The form that an answer must have: schemas and grammars, down to the tokens that fit."""
