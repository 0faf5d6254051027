"""Hooks that teams own already, on the field's wire contract: shell, HTTP, Python, prompt, agent and MCP tool."""
