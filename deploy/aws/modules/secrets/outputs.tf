output "kms_key_arn" {
  value = aws_kms_key.this.arn
}

output "arns" {
  description = "The secrets by name: nats, edge, worker, archive, certificate."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
}
