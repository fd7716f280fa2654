-- A worker may be told to leave, too.

ALTER TABLE headrace.commands
    DROP CONSTRAINT commands_action_check,
    ADD CONSTRAINT commands_action_check CHECK (action IN ('reset breaker', 'take anew', 'drain'));
