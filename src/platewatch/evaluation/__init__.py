"""A labelled test folder judged and counted: metrics, tables, report, model card, bench."""
