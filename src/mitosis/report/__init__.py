"""The trial's page: one HTML file that says what was run, how it ended and what came out.

The page is complete in itself. It loads nothing, from the network or from its folder, and its content security
policy keeps whatever an experiment displays from doing so. Text of the user's is escaped; HTML that an experiment
displays on purpose is shown as it is.

`layout` says what stands on it, and `exporter` makes it by nbconvert with the template in `template/`, or with one of
the user's, who then answers for what it shows and loads.
"""
