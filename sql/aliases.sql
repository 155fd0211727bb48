-- The ledger of aliases: which id became which, how that is known, and since when.
-- $1  text  one of a person's ids, for theirs only; null for all
-- Columns: the id given up, the one it became, how (merge, conversion, hand), when it was learned, who said so, why.
SELECT alias_id, person_id, how, learned_at, author, reason
FROM person_alias
WHERE $1 IS NULL OR canonical_person(alias_id) = canonical_person($1)
ORDER BY learned_at, alias_id, person_id, how
