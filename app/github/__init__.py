"""GitHub as a source: its pull requests, issues and releases, read through its interface and heard by webhooks."""
