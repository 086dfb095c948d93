"""Price books held against the AWS Price List: what the list prices, where a book differs, the book that it makes.

The function of this name runs it daily (`pricewatch.app`), `meterctl prices refresh` runs it for people.
"""
