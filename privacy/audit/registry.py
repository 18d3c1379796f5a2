"""A report as an entry for the OpenDP registry of deployments of differential privacy.

The form is that of the registry's third tier (github.com/opendp/deployments-registry-data): product, flavour of
privacy, privacy loss, trust model, accounting, implementation, resources. It is a draft for people to complete:
what nobody stated in ``deployment.toml`` is null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from privacy.audit.rows import all_of_hers, is_feedback, rows_named

_FLOWS = {
    "distributed": "Each device clips what one person adds and adds a share of integer noise; only the sum opens.",
    "silo": "Each device runs DP-SGD over persons with all of the noise; only the sum of updates opens.",
    "device": "Each device is one person: its clipped update has a share of integer noise; only the sum opens.",
    "none": "Secure aggregation only.",
}


def registry_entry(report: Mapping[str, Any]) -> str:
    """Return the entry as YAML text for an unsealed or sealed report."""
    stated, privacy, mechanism = report["deployment"], report["privacy"], report["mechanism"] or {}
    spent, second = privacy["epsilon_spent"], privacy["second_opinion"] or {}
    most, rows = mechanism.get("photos_per_person"), rows_named(report).en
    mu = "unbounded" if privacy["mu_gdp"] is None else privacy["mu_gdp"]
    entry = {
        "url_slug": report["run"].lower(),
        "status": "Draft",
        "tier": 3,
        "deployment": {
            "product": {
                "name": f"{report['model']['name']} ({report['config']['name']})",
                "data_curators": [stated["curator"]] if stated["curator"] else None,
                "intended_use": stated["intended_use"],
                "data_product_type": "Machine learning model",
                "data_product_region": stated["region"],
                "description": f"A model of {'advice' if is_feedback(report) else 'faces'} trained by federated "
                f"learning; {rows} stay on the devices.",
                "publication_date": stated["publication_date"],
                "data_product_sector": stated["sector"],
            },
            "dp_flavor": {
                "name": "Approximate DP" if spent is not None else None,
                "input_metric": privacy["neighbouring"],
                "bound_on_input_distance": 1,
                "data_domain": f"{rows.capitalize()} of {report['data']['train_persons']} persons on "
                f"{report['data']['clients']} clients, at most {most} of a person in a step",
                "unprotected_quantities": "Which clients took part in which round; sizes and times of messages.",
            },
            "privacy_loss": {
                "privacy_unit": "Person",
                "privacy_unit_description": f"One person {all_of_hers(report).en}, over all rounds of the run.",
                "privacy_parameters": {
                    "epsilon": spent,
                    "delta": privacy["delta"] if spent is not None else None,
                },
                "privacy_parameters_description": f"Promised at most {privacy['epsilon_promised']}; "
                f"mu-GDP {mu}.",
            },
            "model": {
                "model_name": "Distributed (secure aggregation)"
                if privacy["mode"] != "silo"
                else "Local (per silo)",
                "model_name_description": _FLOWS[privacy["mode"]],
                "actors": f"Devices hold {rows}; a coordinator adds masked vectors and releases models; "
                "recipients see released models.",
                "release_type": "Many releases",
                "release_type_description": f"{report['opened']} models, one a round; epsilon covers all of them.",
                "data_source_type": "Static",
                "access_type": "Non-interactive",
            },
            "accounting": {
                "post_processing": "Server optimizer; evaluation on persons that no client has.",
                "composition": f"{privacy['accountant']}; checked by {second.get('accountant')}",
            },
            "implementation": {
                "pre_processing_eda_hyperparameter_tuning": stated["hyper_parameters"],
                "mechanisms": f"{mechanism.get('noise')} noise, {mechanism.get('noise_multiplier')} times the "
                f"{mechanism.get('noise_relative_to')}, Poisson sampling of persons at rate "
                f"{mechanism.get('sampling_rate')}, {mechanism.get('plans')} rounds.",
                "justification": stated["necessity"],
            },
            "resources": {"sources": f"Report {report.get('seal', {}).get('id')}", "registry_authors": None},
        },
    }
    return "\n".join(_yaml(entry, 0)) + "\n"


def _yaml(value: Mapping[str, Any], depth: int) -> list[str]:
    """Return plain data as YAML: JSON strings are YAML strings, so nothing needs quoting rules of its own."""
    lines, pad = [], "  " * depth
    for name, item in value.items():
        if isinstance(item, Mapping):
            lines += [f"{pad}{name}:", *_yaml(item, depth + 1)]
        elif isinstance(item, list):
            lines += [f"{pad}{name}:", *(f"{pad}  - {json.dumps(part, ensure_ascii=False)}" for part in item)]
        else:
            lines.append(f"{pad}{name}: {json.dumps(item, ensure_ascii=False)}")
    return lines
