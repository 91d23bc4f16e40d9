"""A panel: title, unit, and queries with their legends."""


def panel(title, unit, *queries, **more):
    return {"title": title, "unit": unit, "queries": queries, **more}


def stat(title, unit, query, limits=None, about=""):
    return panel(title, unit, (query, ""), kind="stat", limits=limits, about=about)


def rate(metric, by="", where=""):
    total = f"rate({metric}{{{where}}}[$__rate_interval])" if where else f"rate({metric}[$__rate_interval])"
    return f"sum by ({by}) ({total})" if by else f"sum({total})"


def quantile(q, metric, by="", where=""):
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {rate(metric + '_bucket', labels, where)})"


def percentiles(title, metric, where="", by="", **more):
    mark = f" {{{{{by}}}}}" if by else ""
    queries = [(quantile(q, metric, by, where), f"p{q * 100:.0f}{mark}") for q in (0.5, 0.95, 0.99)]
    return panel(title, more.pop("unit", "s"), *queries, **more)


EDGE = 'instance=~"$instance"'
GAME = 'game=~"$game"'
