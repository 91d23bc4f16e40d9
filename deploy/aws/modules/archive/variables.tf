variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "partition" {
  description = "Partition of the provider: aws, aws-cn, aws-us-gov."
  type        = string
  default     = "aws"
}

variable "subnet_ids" {
  description = "Private subnets, one in each zone."
  type        = list(string)
}

variable "security_group_id" {
  description = "The group of the database."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the data and of the password."
  type        = string
}

variable "postgres_version" {
  description = "Major version of PostgreSQL."
  type        = string
  default     = "17"
}

variable "instance_class" {
  description = "Class of the database."
  type        = string
  default     = "db.t4g.medium"
}

variable "storage_gb" {
  description = "Storage at the start; it grows to ten times as much."
  type        = number
  default     = 50
}

variable "deletion_protection" {
  description = "The database cannot be deleted."
  type        = bool
}
