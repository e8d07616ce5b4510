"""Where calls run: the executor, worker processes, retries, failures and progress."""
