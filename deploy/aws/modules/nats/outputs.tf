output "urls" {
  description = "Addresses for cluster.url, without login."
  value       = join(",", [for host in local.hosts : "nats://${host}:4222"])
}

output "instance_ids" {
  value = aws_instance.this[*].id
}

output "volume_ids" {
  value = aws_ebs_volume.this[*].id
}

output "config" {
  description = "The configuration of each server."
  value       = local.config
}

output "policy" {
  description = "What the instances may do."
  value       = local.policy
}
