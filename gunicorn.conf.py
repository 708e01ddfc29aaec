"""How gunicorn serves the portal: `gunicorn "wsgi:create_app()"` reads this file by itself."""

import os

bind = f"{os.environ.get('FLAMBEAU_BIND', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 4
# A wheel that is uploaded over a slow line takes a while; a worker that hangs for longer is replaced.
timeout = 120
graceful_timeout = 10
keepalive = 5
# A fresh process now and then, not all at once, so that a small leak never becomes a large one; not often, for what
# pages are drawn from it has yet to count.
max_requests = 50_000
max_requests_jitter = 5_000
# The portal writes a JSON line for each request itself, with the number that its error pages show.
accesslog = None
errorlog = "-"
loglevel = "warning"
limit_request_line = 4094
limit_request_fields = 60
control_socket_disable = True
