output "ids" {
  description = "The groups by name: front, web, edge, worker, nats, archive, database."
  value       = { for name, group in aws_security_group.this : name => group.id }
}
