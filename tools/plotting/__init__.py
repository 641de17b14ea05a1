"""What tools/plot is made of: results (files), figures and heat (pictures), page (HTML)."""
