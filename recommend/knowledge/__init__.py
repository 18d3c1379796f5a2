"""What makeup artists know, as data: attributes, zones, recipes, sources and rules, in two languages."""
