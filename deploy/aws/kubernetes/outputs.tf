output "cluster" {
  value = module.kubernetes.name
}

output "roles" {
  description = "Roles of the service accounts: volumes, balancers."
  value       = module.kubernetes.roles
}

output "registry" {
  value = module.registry.url
}
