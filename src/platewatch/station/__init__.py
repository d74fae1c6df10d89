"""The inspection station of one line: REST service and web pages, with a record of every plate.

    app = create_app(models, records, settings)      # station/app.py

Only this package imports the web framework.
"""
