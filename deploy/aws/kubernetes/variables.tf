variable "name" {
  description = "Prefix of all names."
  type        = string
  default     = "grandstand"
}

variable "environment" {
  description = "Tag of all resources."
  type        = string
  default     = "production"
}

variable "region" {
  description = "The region."
  type        = string
}

variable "cidr" {
  description = "Network of the VPC, a /16."
  type        = string
  default     = "10.0.0.0/16"
}

variable "zones" {
  description = "Three availability zones; empty: the first three."
  type        = list(string)
  default     = []
}

variable "balancer_policy_arn" {
  description = "Policy of the AWS Load Balancer Controller, which its documentation publishes for each release."
  type        = string
}

variable "public_access_cidrs" {
  description = "Networks that reach the API of the cluster from outside; empty: none."
  type        = list(string)
  default     = []
}

variable "instance_type" {
  description = "Type of nodes."
  type        = string
  default     = "c7i.2xlarge"
}

variable "min_size" {
  description = "Least nodes."
  type        = number
  default     = 3
}

variable "max_size" {
  description = "Most nodes."
  type        = number
  default     = 12
}
