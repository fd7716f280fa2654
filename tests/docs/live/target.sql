-- what is there before the first record: narrower than the source, so that rows are refused
CREATE TABLE public.orders (
    id bigint PRIMARY KEY, code text, total numeric(5, 2), currency text,
    credit numeric(10, 2) CONSTRAINT credit_is_no_debt CHECK (credit >= 0), photo bytea, born date, country text,
    phone text);
CREATE TABLE public.old (id bigint PRIMARY KEY, credit numeric(10, 2) CHECK (credit >= 0));
CREATE ROLE analyst;
CREATE ROLE reporting;
