"""Drive the one Jupyter kernel that a trial runs in.

The kernel is this interpreter, whatever kernelspecs are installed; it talks over sockets in a folder that only this
user can open (on Windows over TCP); it reads no profile of IPython's and keeps no history; and it ends when the runner
does, however that ends.

`kernel_process` makes the private folder and starts the process, `client` speaks to it, and `kernel` is the whole as
the runner sees it. The process is started before anything of Jupyter's is imported here, so that both go on at the same
time.
"""
