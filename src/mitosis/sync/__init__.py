"""Exchanging the journal with other repositories, over any remote of git.

`remotes` finds out which one, `transport` has the git program fetch and push, `exchange` is what pull and push do.
Everything over the network is done by the git program, as the user has set it up.
"""
