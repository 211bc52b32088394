"""A page for tuning, `liftune ui`: a file is dropped, a run is started and watched, its model tried and downloaded.

In: requests of a browser on this machine.  Out: uploads and runs in one folder; each run is a child process of the
ordinary command line.
Not here: tuning itself (workflows/), serving models to programs (server/).
"""
