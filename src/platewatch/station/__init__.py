"""The inspection station: a REST service, pages and a record, for one line.

    app = create_app(models, records, settings)      # station/app.py

The web framework is imported in this folder alone.
"""
