"""The health checks, a question a file: each reads a sweep and tells a finding."""
