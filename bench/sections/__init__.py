"""The sections that measure this server alone; peers and soak have folders of their own."""
