output "service_name" {
  value = aws_ecs_service.this.name
}

output "container" {
  description = "The definition of the container."
  value       = local.container
}

output "policy" {
  description = "What the agent of ECS may do for the service."
  value       = local.policy
}
