-- Which transaction wrote a row last. With its catalogue: two rows that one transaction wrote under the same number would
-- otherwise cancel each other out.
hashtextextended(concat({row}.tableoid, ' ', {row}.xmin), {key})
