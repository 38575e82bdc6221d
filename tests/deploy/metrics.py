"""The dashboard and the rules: every expression parses, and every metric they name is served.

    metrics.py PROMTOOL DASHBOARD RULES METRICS

METRICS is what a running gatepost answered on /metrics.
"""

import json
import re
import subprocess
import sys
import tempfile


def expressions(dashboard):
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], re.search(r"\((.*),", variable["query"]["query"])[1]


def parses(promtool, found):
    """promtool reads the expressions as rules, with the dashboard's variables filled in."""
    rules = []
    for number, (_, expression) in enumerate(found):
        plain = expression.replace("$__rate_interval", "5m").replace("$route", ".*")
        rules.append({"record": f"panel:{number}", "expr": plain})
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        # JSON is YAML.
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        return subprocess.run([promtool, "check", "rules", file.name]).returncode == 0


def main():
    promtool, dashboard, rules, metrics = sys.argv[1:]
    with open(dashboard) as file:
        found = list(expressions(json.load(file)))
    with open(rules) as file:
        alerts = file.read()
    with open(metrics) as file:
        served = set(re.findall(r"^(gatepost_[a-z_]+)", file.read(), re.MULTILINE))
    used = set()
    for _, text in found:
        used |= set(re.findall(r"gatepost_[a-z_]+", text))
    for expression in re.findall(r"expr: (.*(?:\n {10}.*)*)", alerts):
        used |= set(re.findall(r"gatepost_[a-z_]+", expression))
    missing = sorted(used - served)
    for name in missing:
        print(f"  {name} is used and not served")
    print(f"{len(found)} expressions of the dashboard, {len(used)} metrics, {len(missing)} missing")
    sys.exit(bool(missing) or not parses(promtool, found))


main()
