"""The admin API and the web console: what people see and decide, over HTTP."""
