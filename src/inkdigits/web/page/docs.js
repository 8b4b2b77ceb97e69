/** The API documentation: Swagger UI, which makes a global name and no module. */

SwaggerUIBundle({ url: "openapi.json", dom_id: "#description", deepLinking: true });
